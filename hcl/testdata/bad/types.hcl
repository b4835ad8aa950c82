server "db1" {
  address = "127.0.0.1:3306"
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

listener "app" {
  address         = 4006 # ERROR: "address" must be a string, not a number
  accounts        = pipeline.app # ERROR: "accounts" must be accounts, not a pipeline
  pipeline        = "app" # ERROR: "pipeline" must be a pipeline, not a string
  max_connections = "100" # ERROR: "max_connections" must be a whole number, not a string
}

pipeline "app" {
  filter "every" {
    text  = ["x"] # ERROR: "text" must be a string, not a list
    count = 1.5 # ERROR: "count" must be a whole number, not a fraction
    ratio = true # ERROR: "ratio" must be a number, not true or false
    on    = "true" # ERROR: "on" must be true or false, not a string
    every = ["1s"] # ERROR: "every" must be a duration such as "30s", not a list
    tags = 5 # ERROR: "tags" must be a list, not a number
    size  = 64 # ERROR: "size" must be a string, not a number
    maybe = 5 # ERROR: "maybe" must be a string, not a number
    part {
      match = "x"
      on    = null # ERROR: "on" must be true or false, not null
    }
  }
  filter "every" {
    text  = null # ERROR: "text" must be a string, not null
    tags  = ["a", 1, "b", false] # ERROR: each of "tags" must be a string, not a number # ERROR: each of "tags" must be a string, not true or false
    every = {} # ERROR: "every" must be a duration such as "30s", not an object
    size  = "64" # ERROR: "size": "64" is not a size such as "64KiB"
  }
  filter "every" {
    text = server.db1 # ERROR: "text" must be a string, not a server
    tags = [for n in [1, 2] : n] # ERROR: each of "tags" must be a string, not a number
  }
  filter "tee" {
    target = accounts.main # ERROR: "target" must be a pipeline, not accounts
  }
  router "fan" {
    servers = server.db1 # ERROR: "servers" must be a list, not a server
    main    = pipeline.other # ERROR: "main" must be a server, not a pipeline
  }
}

pipeline "other" {
  router "fan" {
    servers = [server.db1, "db1", pipeline.last] # ERROR: each of "servers" must be a server, not a string # ERROR: each of "servers" must be a server, not a pipeline
  }
}

pipeline "last" {
  router "fan" {
    servers = [server.db1]
  }
}
