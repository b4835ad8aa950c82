process {
  workers     = -1  # ERROR: "workers" is out of range
  worker_load = 101 # ERROR: "worker_load" is out of range
  log {
    format = "xml" # ERROR: unknown format "xml"
    level  = "wran" # ERROR: unknown level "wran"
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
  filter "every" {
    text  = "x"
    count = 99999999999999999999 # ERROR: "count" is out of range
    ratio = 1e999 # ERROR: "ratio" is out of range
    pattern "p" {
      match = "x"
      flags = 256 # ERROR: "flags" is out of range
    }
    pattern "q" {
      match = "x"
      flags = -1 # ERROR: "flags" is out of range
    }
  }
  router "fan" {
    servers = [server.db1]
  }
}
