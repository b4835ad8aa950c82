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
  accounts = accounts.mian # ERROR: unknown reference accounts.mian
  pipeline = pipline.app # ERROR: unknown reference pipline.app
}

pipeline "app" {
  router "fan" {
    servers = [server.db2, server.db1, server.db3] # ERROR: unknown reference server.db2 # ERROR: unknown reference server.db3
    main    = server # ERROR: server needs a name
  }
}

pipeline "other" {
  filter "every" {
    text = hello # ERROR: unknown reference hello
  }
  router "fan" {
    servers = [server.db1.address] # ERROR: server.db1 has no parts
  }
}
