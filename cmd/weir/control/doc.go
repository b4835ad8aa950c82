// Package control is how operators speak to a running Weir: JSON over HTTP on a Unix socket.
//
//	GET /v1/servers                        {"servers": [...]}: each a Server
//	PUT /v1/servers/NAME/service           takes {"service": "in service", "draining" or "maintenance"}, and "from" where
//	                                       the service must have been that; answers with a Change
//	POST /v1/pipelines/NAME/reset-gtid     has its router forget the GTIDs that reads wait for; answers with a Reset
//
// An error is a status of 400 or above with {"error": "what happened"}.
package control
