process "main" { # ERROR: process takes no label
}

server { # ERROR: server without a name
  address = "127.0.0.1:3306"
}

server "db1" "db2" { # ERROR: server takes one label
  address = "127.0.0.1:3306"
}

server "" { # ERROR: server with an empty name
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "" { # ERROR: user with an empty name
    password = "secret"
  }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  filter { # ERROR: filter without a name
  }
  router "fan" {
    servers = [server.db1]
  }
}
