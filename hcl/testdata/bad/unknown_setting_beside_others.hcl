server "db1" {
  address = "127.0.0.1:3306"
  colour  = "red" # ERROR: unknown setting "colour" in server "db1"
}

accounts "main" {
  comment = "ours" # ERROR: unknown setting "comment" in accounts "main"
  user "app" {
    password = "secret"
    hosts    = "%" # ERROR: unknown setting "hosts" in user "app"
  }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  comment = "ours" # ERROR: unknown setting "comment" in pipeline "app"
  filter "every" {
    text   = "(" # ERROR: text: error parsing regexp: missing closing ): `(`
    colour = 1 # ERROR: unknown setting "colour" in filter "every"
  }
  router "fan" {
    servers = [server.db1]
  }
}
