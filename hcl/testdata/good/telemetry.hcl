telemetry {
  metrics {
    address = "127.0.0.1:9104"
    pprof   = true
  }
}

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
