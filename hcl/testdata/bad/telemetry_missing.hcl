server "db1" {
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  router "fan" {
    servers = [server.db1]
  }
}

telemetry "main" { # ERROR: telemetry takes no label
  metrics { # ERROR: metrics has no address
    pprof = true
  }
  metric { # ERROR: unknown block "metric" in telemetry "main"
  }
}
