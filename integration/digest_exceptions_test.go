package integration

// digestExceptions are the statements that the scanner tells apart, or does not, other than the server does: of each
// pair the first is the first in the corpus.
var digestExceptions = []struct {
	reason string
	family string
	pairs  [][2]string
}{}
