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

metrics { # ERROR: block "metrics" outside telemetry
  address = "127.0.0.1:9104"
}

telemetry {
  metrics {
    address = "9104" # ERROR: metrics: address: "9104" is not host:port
    pprof   = "yes" # ERROR: "pprof" must be true or false, not a string
    path    = "/metrics" # ERROR: unknown setting "path" in metrics
  }
  metrics { # ERROR: second metrics block in telemetry
    address = "127.0.0.1:9104"
  }
}

telemetry { # ERROR: second telemetry block
}
