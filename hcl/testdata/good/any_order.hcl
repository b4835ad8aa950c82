listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  filter "tee" {
    target = pipeline.shadow
  }
  router "fan" {
    servers = [server.db2, server.db3]
    main    = server["db2"]
  }
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

pipeline "shadow" {
  router "fan" {
    servers = [server.db1]
  }
}

server "db1" {
  address = "127.0.0.1:3306"
}

server "db2" {
  address = "/run/mysqld/mysqld.sock"
}

server "db3" {
  address = "127.0.0.1:3308"
}
