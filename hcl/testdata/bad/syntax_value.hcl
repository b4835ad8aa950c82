server "db1" {
  address = "127.0.0.1:3306 # ERROR: invalid multi-line string
  weight  = "1" # ERROR: "weight" must be a whole number, not a string
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
