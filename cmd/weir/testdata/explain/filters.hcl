# Filters in all the ways that weir explain speaks of.

server "db1" { address = "127.0.0.1:3306" }
server "db2" { address = "127.0.0.1:3307" }

accounts "main" {
  user "app" { password = "secret" }
  user "report" { password = "secret" }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

listener "local" {
  socket   = "/run/weir/local.sock"
  accounts = accounts.main
  pipeline = pipeline.local
}

listener "more" {
  address  = "127.0.0.1:4007"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  filter "querylog" {
    path         = "-"
    literals     = "redact"
    min_duration = "1s"
    only_errors  = true
    fields       = ["time", "statement", "error"]
  }
  filter "regex" {
    rule {
      name    = "moved"
      match   = "old_(\\w+)"
      replace = "new.$1"
    }
    rule {
      name    = "tried"
      match   = "new"
      replace = "newer"
      dry_run = true
    }
    rule {
      match   = "same"
      replace = "same"
    }
  }
  filter "regex" {
    match   = "id = (\\d+)"
    replace = "id IN ($1)"
    dry_run = true
  }
  filter "tee" {
    target      = pipeline.shadow
    target_user = "copier"
    match       = "new"
    sample      = 0.125
    compare     = true
  }
  filter "top" {
    path         = "/var/log/weir/top"
    min_duration = "10ms"
    exclude      = "(?i)^set"
  }
  router "connection" { servers = [server.db1] }
}

pipeline "shadow" {
  filter "querylog" {
    path = "/var/log/weir/shadow.jsonl"
    user = "copier"
  }
  router "connection" { servers = [server.db2] }
}

pipeline "local" {
  filter "regex" {
    source     = "10.0.0.0/8"
    match      = "a"
    replace    = "aaaaaaaaaaaaaaaaaaaa"
    max_result = 30
    oversize   = "reject"
  }
  router "connection" { servers = [server.db1] }
}
