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

monitor { # ERROR: monitor without a kind and a name
  servers = [server.db1]
}

monitor "watch" { # ERROR: monitor without a name
  servers = [server.db1]
}

monitor "main" { # ERROR: monitor without a kind
  servers = [server.db1]
}

monitor "watch" "" { # ERROR: monitor with an empty name
  servers = [server.db1]
}

monitor "watch" "a" "b" { # ERROR: monitor takes two labels
  servers = [server.db1]
}

pipeline "app" {
  router "fan" {
    servers = monitor.main.servers
  }
}
