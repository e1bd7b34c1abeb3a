package orcodm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.AnalyzerWrapper;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.StoredField;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.queryparser.classic.ParseException;
import org.apache.lucene.queryparser.classic.QueryParser;
import org.apache.lucene.search.FuzzyQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.store.ByteBuffersDirectory;

/**
 * Answers JSON lines with JSON lines, with Lucene's own parser, analyser and searcher.
 *
 * <p>{"analyze": [text...]} gives {"tokens": [[token...]...]}. {"documents": [{field: [text...]}...],
 * "field": default, "queries": [text...]} gives {"results": [...]}, for each query {"hits": {number: score},
 * "query": text} or {"error": message}. Elements of an array are far apart, so that no phrase spans two.
 */
public final class Comparison {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Analyzer STANDARD = new StandardAnalyzer();

  private static final Analyzer SPACED =
      new AnalyzerWrapper(Analyzer.GLOBAL_REUSE_STRATEGY) {
        @Override
        protected Analyzer getWrappedAnalyzer(String field) {
          return STANDARD;
        }

        @Override
        public int getPositionIncrementGap(String field) {
          return 100_000;
        }
      };

  public static void main(String[] arguments) throws Exception {
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode request = JSON.readTree(line);
      JsonNode answer = request.has("analyze") ? analyze(request) : search(request);
      out.println(JSON.writeValueAsString(answer));
    }
  }

  private static ObjectNode analyze(JsonNode request) throws Exception {
    ObjectNode answer = JSON.createObjectNode();
    ArrayNode lists = answer.putArray("tokens");
    for (JsonNode text : request.get("analyze")) {
      ArrayNode tokens = lists.addArray();
      try (TokenStream stream = STANDARD.tokenStream("f", text.asText())) {
        CharTermAttribute token = stream.addAttribute(CharTermAttribute.class);
        stream.reset();
        while (stream.incrementToken()) {
          tokens.add(token.toString());
        }
        stream.end();
      }
    }
    return answer;
  }

  private static ObjectNode search(JsonNode request) throws Exception {
    ObjectNode answer = JSON.createObjectNode();
    ArrayNode results = answer.putArray("results");
    try (ByteBuffersDirectory directory = new ByteBuffersDirectory()) {
      index(directory, request.get("documents"));
      try (DirectoryReader reader = DirectoryReader.open(directory)) {
        IndexSearcher searcher = new IndexSearcher(reader);
        for (JsonNode query : request.get("queries")) {
          answer(searcher, request.get("field").asText(), query.asText(), results.addObject());
        }
      }
    }
    return answer;
  }

  private static void index(ByteBuffersDirectory directory, JsonNode documents) throws Exception {
    try (IndexWriter writer = new IndexWriter(directory, new IndexWriterConfig(SPACED))) {
      int number = 0;
      for (JsonNode fields : documents) {
        Document document = new Document();
        document.add(new StoredField("number", number++));
        for (Map.Entry<String, JsonNode> field : fields.properties()) {
          for (JsonNode text : field.getValue()) {
            document.add(new TextField(field.getKey(), text.asText(), Field.Store.NO));
          }
        }
        writer.addDocument(document);
      }
    }
  }

  private static void answer(IndexSearcher searcher, String field, String text, ObjectNode result)
      throws Exception {
    QueryParser parser =
        new QueryParser(field, STANDARD) {
          @Override
          protected Query newFuzzyQuery(
              org.apache.lucene.index.Term term, float similarity, int prefix) {
            // All expansions, not the 50 best: the comparison is of what matches.
            int length = term.text().codePointCount(0, term.text().length());
            return new FuzzyQuery(
                term, FuzzyQuery.floatToEdits(similarity, length), prefix, 1000, true);
          }
        };
    parser.setAllowLeadingWildcard(true);
    try {
      Query query = parser.parse(text);
      ObjectNode hits = result.putObject("hits");
      for (ScoreDoc hit : searcher.search(query, Integer.MAX_VALUE - 1).scoreDocs) {
        Document document = searcher.storedFields().document(hit.doc);
        hits.put(document.getField("number").numericValue().toString(), hit.score);
      }
      result.put("query", query.toString());
    } catch (ParseException | IllegalArgumentException error) {
      result.remove("hits");
      result.put("error", String.valueOf(error.getMessage()));
    }
  }
}
