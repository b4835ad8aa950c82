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
  filter "tee" {
    target = pipeline.b
  }
  router "fan" {
    servers = [server.db1]
  }
}

pipeline "b" {
  filter "tee" {
    target = pipeline.c
  }
  router "fan" {
    servers = [server.db1]
  }
}

pipeline "c" {
  filter "tee" {
    target = pipeline.app # ERROR: circular reference: pipeline.app -> pipeline.b -> pipeline.c -> pipeline.app
  }
  router "fan" {
    servers = 1 # ERROR: "servers" must be a list, not a number
  }
}

pipeline "self" {
  filter "tee" {
    target = pipeline.self # ERROR: circular reference: pipeline.self -> pipeline.self
  }
  router "fan" {
    servers = [server.db1]
  }
}
