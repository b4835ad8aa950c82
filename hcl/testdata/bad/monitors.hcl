server "db1" {
  address = "127.0.0.1:3306"
}

server "db2" {
  address = "127.0.0.1:3307"
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

monitor "watch" "main" {
  servers = [server.db1]
}

monitor "watsh" "typo" { # ERROR: unknown monitor "watsh"
  servers = [server.db1]
}

monitor "watch" "main" { # ERROR: second monitor "watch" "main"
  servers = [server.db2]
}

monitor "watch" "wrong" {
  servers = [server.db2, server.db1] # ERROR: server.db2 is watched by two monitors
  evry    = "1s" # ERROR: unknown setting "evry" in monitor "watch" "wrong"
}

monitor "watch" "often" {
  servers = [server.db2]
  every   = "1us" # ERROR: every: too often
}

monitor "watch" "self" {
  servers = monitor.self.servers # ERROR: circular reference: monitor.self -> monitor.self
}

monitor "watch" "bare" { # ERROR: monitor "watch" "bare" has no servers
}

pipeline "app" {
  router "fan" {
    servers = monitor.main # ERROR: monitor.main is no value
    main    = monitor.main.primary # ERROR: monitor.main has no such part
  }
}

pipeline "b" {
  router "fan" {
    servers = monitor.mian.servers # ERROR: unknown reference monitor.mian
    main    = monitor.main.servers # ERROR: "main" must be a server, not a list
  }
}

pipeline "c" {
  router "fan" {
    servers = monitor.typo.servers
    main    = monitr.main.servers # ERROR: unknown reference monitr.main
  }
}
