server "db1" {
  address = "127.0.0.1:3306"
}

server "same" {
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

pipeline "app" {
  filter "plain" {
  }
  filter "tee" {
    target = pipeline.same # ERROR: target: copies would come to server same, which has the address of server db1
  }
  filter "tee" {
    target = pipeline.far # ERROR: target: copies would come to server db1
  }
  router "fan" {
    servers = [server.db1]
  }
}

pipeline "same" {
  router "fan" {
    servers = [server.db2, server.same]
  }
}

pipeline "far" {
  filter "tee" {
    target = pipeline.near
  }
  router "fan" {
    servers = [server.db2]
  }
}

pipeline "near" {
  router "fan" {
    servers = [server.db1]
  }
}
