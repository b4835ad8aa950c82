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

telemetry {
  traces {
    endpoint       = "127.0.0.1:4318"                # ERROR: traces: endpoint: "127.0.0.1:4318" is not the URL of a collector, as http://127.0.0.1:4318 is
    protocol       = "http"                          # ERROR: traces: protocol: "http" is none of http/protobuf, grpc
    headers        = ["api-key: secret", "no colon"] # ERROR: traces: headers: "no colon" is not "Name: value"
    compression    = "zstd"                          # ERROR: traces: compression: "zstd" is none of none, gzip
    sample_ratio   = 1.5                             # ERROR: traces: sample_ratio: a ratio is from 0 to 1
    slow           = 500                             # ERROR: "slow" is a duration without a unit
    query_text     = "full"                          # ERROR: traces: query_text: "full" is none of canonical, raw, none
    client_context = "drop"                          # ERROR: traces: client_context: "drop" is none of pass, strip, replace
    timeout        = "0s"                            # ERROR: traces: timeout: a timeout is longer than 0
    queue          = 1000                            # ERROR: traces: queue: it may be from 1 MiB to 1 GiB (1048576 to 1073741824)
  }
}
