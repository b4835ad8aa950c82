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
  filter "evry" { # ERROR: unknown filter "evry"
    text = "x"
  }
  filter "fan" { # ERROR: "fan" is a router, not a filter
    servers = [server.db1]
  }
  router "fan" {
    servers = [server.db1]
  }
}
