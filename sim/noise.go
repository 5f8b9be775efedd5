package sim

import "math"

// Every random figure is a hash of the seed, a stream and a number within it.
// So there is no generator whose state would depend on who asked first.
const (
	streamSensor = iota + 1
	streamTach
	streamBoot
	streamStop
	streamBootID
	streamBurst
	streamLine
	streamCheck
	streamCheckTime
	streamSync
)

// random returns 64 random bits: number n of the stream for part i.
func (c *Case) random(stream, i int, n uint64) uint64 {
	return mix(mix(c.seed^uint64(stream)<<32^uint64(i)) ^ n)
}

// mix is the output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit maps random bits to [0, 1).
func unit(bits uint64) float64 { return float64(bits>>11) / (1 << 53) }

// normal maps random bits to a figure with mean 0 and deviation 1: the sum of
// eight uniform bytes, which is close to Gaussian and never beyond 4.9.
func normal(bits uint64) float64 {
	sum := 0
	for range 8 {
		sum += int(bits & 0xff)
		bits >>= 8
	}
	const bytes, mean = 8, 127.5
	deviation := math.Sqrt(bytes * (256*256 - 1) / 12.0)
	return (float64(sum) - bytes*mean) / deviation
}
