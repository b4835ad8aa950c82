telemetry {
  traces {
    endpoint       = "https://collector.example:4317"
    protocol       = "grpc"
    headers        = ["api-key: ${env("WEIR_TEST")}"]
    compression    = "gzip"
    sample_ratio   = 0.25
    slow           = "500ms"
    errors         = true
    query_text     = "raw"
    client_context = "replace"
    service_name   = "weir-test"
    timeout        = "3s"
    queue          = 4 * 1024 * 1024
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
