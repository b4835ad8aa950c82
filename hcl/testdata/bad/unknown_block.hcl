server "db1" {
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

pipeline "app" {
  router "fan" {
    servers = [server.db1]
  }
}

listner "app" { # ERROR: unknown block "listner"
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}
