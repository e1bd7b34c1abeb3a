"""The same documents in orcodm and in what it is measured against, each behind the same few methods."""
