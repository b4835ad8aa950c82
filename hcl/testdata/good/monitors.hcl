server "db1" {
  address = "127.0.0.1:3306"
}

server "db2" {
  address = "127.0.0.1:3307"
}

server "db3" {
  address = "127.0.0.1:3308"
}

server "db4" {
  address = "127.0.0.1:3309"
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
    servers = monitor.main.servers
    main    = monitor.main.servers[0]
  }
}

monitor "watch" "main" {
  servers = [server.db1, server.db2]
  every   = "2s"
}

monitor "watch" "direct" { # its servers are used without it
  servers = [server.db3]
}

pipeline "shadow" { # WARNING: pipeline "shadow" is not used
  router "fan" {
    servers = [for s in monitor["main"].servers : s]
    main    = server.db3
  }
}

monitor "watch" "idle" { # WARNING: monitor "watch" "idle" is not used
  servers = [server.db4]
}
