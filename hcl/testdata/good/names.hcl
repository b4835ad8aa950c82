server "db-1.example.com" {
  address = "127.0.0.1:3306"
}

accounts "all users" {
  user "app" {
    password = "secret"
  }
}

listener "a b" {
  address  = "127.0.0.1:0"
  accounts = accounts["all users"]
  pipeline = pipeline.app-1
}

listener "c" {
  address  = "127.0.0.1:0"
  accounts = accounts["all users"]
  pipeline = pipeline.app-1
}

pipeline "app-1" {
  router "fan" {
    servers = [server["db-1.example.com"]]
  }
}
