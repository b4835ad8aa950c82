package top

// The weights by which digests are ranked.
const (
	byTime = iota // nanoseconds
	byErrors
	numWeights
)

// A place is where a digest stands in a ranking.
type place struct {
	at int // in the heap, -1 where it is not ranked
	// counter is at least the digest's whole weight, and at most inherited more than it.
	counter, inherited uint64
}

// A ranking finds the digests of the greatest weight in a stream, in fixed memory: the space-saving algorithm. Who comes
// new into a full one takes the place of the least, and inherits its counter, since it may have been there before. So
// nothing whose weight is above the least counter is missing, and the least counter is never above the sum of all
// weights divided by the capacity.
// Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams (2005)
type ranking struct {
	weight   int
	capacity int
	heap     []*entry // the least counter first
}

// add gives e so much more weight. It returns the entry that had to leave, nil where none had.
func (r *ranking) add(e *entry, weight uint64) (left *entry) {
	p := r.place(e)
	switch {
	case p.at >= 0:
		p.counter += weight
	case len(r.heap) < r.capacity:
		*p = place{at: len(r.heap), counter: weight}
		r.heap = append(r.heap, e)
		r.up(p.at)
		return nil
	default:
		left = r.heap[0]
		least := r.place(left)
		*p = place{counter: least.counter + weight, inherited: least.counter}
		least.at = -1
		r.heap[0] = e
	}
	r.down(p.at)
	return left
}

// bound is the weight that a digest which is not ranked has at most.
func (r *ranking) bound() uint64 {
	if len(r.heap) < r.capacity {
		return 0
	}
	return r.place(r.heap[0]).counter
}

func (r *ranking) place(e *entry) *place { return &e.places[r.weight] }

func (r *ranking) less(i, j int) bool { return r.place(r.heap[i]).counter < r.place(r.heap[j]).counter }

func (r *ranking) swap(i, j int) {
	r.heap[i], r.heap[j] = r.heap[j], r.heap[i]
	r.place(r.heap[i]).at, r.place(r.heap[j]).at = i, j
}

func (r *ranking) up(i int) {
	for i > 0 && r.less(i, (i-1)/2) {
		r.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (r *ranking) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(r.heap); child++ {
			if r.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		r.swap(i, least)
		i = least
	}
}
