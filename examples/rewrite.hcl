# Statements changed on their way, while an application that cannot be changed moves from one schema to another.
#
# Try rules with dry_run first: the page /pipelines/app/filter-regex/rules of the metrics address says what each of them
# has matched.

server "db1" { address = "10.0.0.1:3306" }

accounts "main" {
  user "app"    { password = env("APP_PASSWORD") }
  user "report" { password = env("REPORT_PASSWORD") }
}

listener "app" {
  address  = "0.0.0.0:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  # What the application has asked for ...
  filter "querylog" {
    path   = "/var/log/weir/asked.jsonl"
    fields = ["time", "session", "user", "statement", "error"]
  }

  filter "regex" {
    rule {
      name    = "orders have moved"
      match   = "(?i)\\b(from|join|into|update)\\s+orders\\b"
      replace = "$1 sales.orders"
    }
    rule {
      name    = "no forced indexes"
      match   = "(?i)\\s*\\bforce index\\s*\\(\\w+\\)"
      replace = ""
    }
  }

  # ... reports may not keep the server busy: only their statements get a limit ...
  filter "regex" {
    user    = "report"
    match   = "(?i)^\\s*select\\b"
    replace = "SET STATEMENT max_statement_time = 30 FOR SELECT"
  }

  # ... and what the server is asked.
  filter "querylog" {
    path   = "/var/log/weir/sent.jsonl"
    fields = ["time", "session", "user", "statement", "error"]
  }

  router "connection" { servers = [server.db1] }
}

telemetry {
  metrics { address = "127.0.0.1:9104" }
}
