process {
  log = { # ERROR: "log" is a block, not a setting
    level = "info"
  }
}

server "db1" {
  address { # ERROR: "address" is a setting, not a block
    port = 1
  }
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
