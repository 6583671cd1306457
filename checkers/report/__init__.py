"""Results for people (a table) and for machines (JSON, JUnit, TAP), and the manifests."""
