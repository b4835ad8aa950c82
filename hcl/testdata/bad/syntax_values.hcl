server "db1" {
  address         = 127.0.0.1:3306 # ERROR: invalid number literal
  connect_timeout = 5s # ERROR: missing newline after argument
  weight          = 'two' # ERROR: invalid character
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

listener "app" {
  address  = "127.0.0.1:4006", # ERROR: unexpected comma after argument
  accounts = accounts. # ERROR: invalid attribute name
  pipeline = pipeline.ap # ERROR: unknown reference pipeline.ap
}

pipeline "app" {
  router "fan" {
    servers = [server.db1 server.db1] # ERROR: missing item separator
  }
}
