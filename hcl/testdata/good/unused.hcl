server "db1" {
  address = "127.0.0.1:3306"
}

server "spare" { # WARNING: server "spare" is not used
  address = "127.0.0.1:3307"
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

accounts "others" { # WARNING: accounts "others" is not used
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

pipeline "old" { # WARNING: pipeline "old" is not used
  router "fan" {
    servers = [server.db1]
  }
}
