"""Mistakes: every type checker finds an error on each line marked `# E`, and on no other."""
# ruff: noqa: B018, SIM201

from datetime import datetime

from orcodm import Document, Field, Relation, Session, field, retry

from .good import Address, Color, Film, Login, User, ada, engine

# names
User.query.filter(User.nmae == "x")  # E
User.query.filter(User.address.ciyt == "x")  # E
User.query.filter(User.addresses.ciyt == "x")  # E
ada.nmae  # E
ada.relations.freinds  # E
ada.events.logn  # E
User.qurey  # E
ada.sav()  # E

# values of a wrong type in a filter
User.query.filter(User.age >= "x")  # E
User.query.filter(User.age == "x")  # E
User.query.filter(User.age != "x")  # E
User.query.filter(User.name < 3)  # E
User.query.filter(User.address.city == 5)  # E
User.query.filter(User.created > 5)  # E
User.query.filter(User.color == "r")  # E
User.query.filter(User.age.between("a", "b"))  # E
User.query.filter(User.age.is_in(["x"]))  # E
User.query.filter(User.tags.contains(3))  # E
User.query.filter(User.name.contains("x"))  # E
User.query.filter(User.age.matches("x"))  # E
User.query.filter(User.visits.startswith("x"))  # E
User.query.filter(User.name.matches(3))  # E
User.query.filter(User.home.near("51", -0.1, "10km"))  # E
User.query.filter(User.prices["eur"] == "x")  # E

# what is no criterion
User.query.filter(True)  # E
User.query.filter("age:3")  # E
User.query.filter(User.age)  # E
User.query.filter(User.age == 3, False)  # E
User.query.filter(User.address == Address(city="x"))  # E
User.query.filter((User.age == 3) | True)  # E
User.query.filter(not (User.age == 3))  # E
User.query.order_by("age")  # E
User.query.order_by(User.age > 3)  # E
User.query.search(3)  # E
User.query[3]  # E
User.query.filter(User.age >= 1 and User.age < 3)  # only fails at run time

# constructors and assignments
User(name=5)  # E
User(nme="x")  # E
User()  # E
User("Ada")  # E
User(name="x", address="London")  # E
User(name="x", tags=[1])  # E
Login(ip=3)  # E
Address()  # E
ada.age = "x"  # E
ada.name = None  # E
ada.tags = ["x", 1]  # E
ada.address = "London"  # E
ada.color = "r"  # E

# relations, events, updates
ada.relations.friends.add(Film(title="t"))  # E
ada.relations.liked.add(ada)  # E
ada.events.login.add(3)  # E
ada.events.login.add(Login(ip="x"), at="noon")  # E
ada.events.login.between("noon", datetime.now())  # E
ada.patch("age + 1")  # E
ada.patch(User.name.inc())  # E
ada.patch(User.age.set("x"))  # E
ada.patch(User.tags.append(3))  # E
ada.patch(User.age == 3)  # E

# events and relations as queries
User.query.events(Film)  # E
User.query.events(User.events.logn)  # E
User.query.events(3)  # E
User.query.events(Login).filter(Login.ipp == "x")  # E
User.query.events(Login).filter(Login.timestamp >= "noon")  # E
User.query.events(Login).filter(Login.ordinal == "3")  # E
User.query.events(Login).one().nmae  # E
Login(ip="x").timestamp = 3  # E
User.query.relations(User.relations.freinds)  # E
User.query.relations(3)  # E
User.query.relations("friends").filter(Relation.kind == 3)  # E
User.query.relations("friends").filter(Relation.source == "ada")  # E
User.query.relations("friends").filter(Relation.target.kye == "ada")  # E
User.query.relations(User.relations.liked).one().target.get().nmae  # E

# highlights, likeness, suggestions, explanations
User.query.highlight(User.boi)  # E
User.query.highlight(User.bio, width="x")  # E
User.query.like(ada, most="x")  # E
User.query.suggest("name", "a")  # E
User.query.suggest(User.name, 3)  # E
User.query.suggest(User.age, "a")  # E
User.query.explain(Film(title="x"))  # E

# sessions
ada.save(on_conflict="ours")  # E
ada.save(True)  # E
User.get(3)  # E
Session("memory:")  # E
with Session(engine) as session:
    session.get(User, 3)  # E
    session.get("users", "ada")  # E
    session.add("ada")  # E
    session.query(User).filter(True)  # E
    session.get(User, "ada").nmae  # E
retry(engine, lambda: 3)  # E


class Wrong(Document, collection=3):  # E
    name: Field[str]
    count: Field[int] = field(defualt=1)  # E


print(Color)
