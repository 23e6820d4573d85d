package gost

import "math/big"

// curve is a parameter set of GOST R 34.10-2012.
type curve struct {
	size             int // bytes of a coordinate: 32 or 64
	cofactor         int
	p, q, a, b, x, y *big.Int
}

type curveText struct {
	size, cofactor   int
	p, q, a, b, x, y string // hexadecimal
}

func newCurve(t curveText) *curve {
	return &curve{
		size: t.size, cofactor: t.cofactor,
		p: number(t.p), q: number(t.q), a: number(t.a), b: number(t.b), x: number(t.x), y: number(t.y),
	}
}

// number reads a constant of this package.
func number(hexadecimal string) *big.Int {
	n, ok := new(big.Int).SetString(hexadecimal, 16)
	if !ok {
		panic("gost: constant " + hexadecimal)
	}
	return n
}

// has reports whether the point is on the curve.
func (c *curve) has(x, y *big.Int) bool {
	right := new(big.Int).Mul(x, x)
	right.Add(right, c.a).Mul(right, x).Add(right, c.b).Mod(right, c.p)
	left := new(big.Int).Mul(y, y)
	return left.Mod(left, c.p).Cmp(right) == 0
}

// point is in Jacobian coordinates: x = X/Z², y = Y/Z³; Z = 0 is infinity.
type point struct{ x, y, z *big.Int }

func infinity() *point            { return &point{big.NewInt(1), big.NewInt(1), new(big.Int)} }
func affine(x, y *big.Int) *point { return &point{x, y, big.NewInt(1)} }
func (p *point) isInfinity() bool { return p.z.Sign() == 0 }
func (c *curve) mul(x, y *big.Int) *big.Int {
	z := new(big.Int).Mul(x, y)
	return z.Mod(z, c.p)
}

func (c *curve) sub(x, y *big.Int) *big.Int {
	z := new(big.Int).Sub(x, y)
	return z.Mod(z, c.p)
}

func (c *curve) times(x *big.Int, n int64) *big.Int { return c.mul(x, big.NewInt(n)) }

// double returns 2p, for any a of the curve.
func (c *curve) double(p *point) *point {
	if p.isInfinity() || p.y.Sign() == 0 {
		return infinity()
	}
	yy := c.mul(p.y, p.y)
	s := c.times(c.mul(p.x, yy), 4)
	zz := c.mul(p.z, p.z)
	m := new(big.Int).Add(c.times(c.mul(p.x, p.x), 3), c.mul(c.a, c.mul(zz, zz)))
	x := c.sub(c.mul(m, m), new(big.Int).Lsh(s, 1))
	y := c.sub(c.mul(m, c.sub(s, x)), c.times(c.mul(yy, yy), 8))
	return &point{x, y, c.times(c.mul(p.y, p.z), 2)}
}

// add returns p + o, whatever they are.
func (c *curve) add(p, o *point) *point {
	if p.isInfinity() {
		return o
	}
	if o.isInfinity() {
		return p
	}
	pz, oz := c.mul(p.z, p.z), c.mul(o.z, o.z)
	u1, u2 := c.mul(p.x, oz), c.mul(o.x, pz)
	s1, s2 := c.mul(p.y, c.mul(oz, o.z)), c.mul(o.y, c.mul(pz, p.z))
	h, r := c.sub(u2, u1), c.sub(s2, s1)
	if h.Sign() == 0 {
		if r.Sign() == 0 {
			return c.double(p)
		}
		return infinity()
	}
	hh := c.mul(h, h)
	hhh, v := c.mul(h, hh), c.mul(u1, hh)
	x := c.sub(c.sub(c.mul(r, r), hhh), new(big.Int).Lsh(v, 1))
	y := c.sub(c.mul(r, c.sub(v, x)), c.mul(s1, hhh))
	return &point{x, y, c.mul(c.mul(p.z, o.z), h)}
}

// combine returns n·p + m·o by one run over the bits of both (Shamir's trick).
func (c *curve) combine(n *big.Int, p *point, m *big.Int, o *point) *point {
	both, out := c.add(p, o), infinity()
	for i := max(n.BitLen(), m.BitLen()) - 1; i >= 0; i-- {
		out = c.double(out)
		switch n.Bit(i)<<1 | m.Bit(i) {
		case 3:
			out = c.add(out, both)
		case 2:
			out = c.add(out, p)
		case 1:
			out = c.add(out, o)
		}
	}
	return out
}

// affineX is the x coordinate of a point that is not infinity.
func (c *curve) affineX(p *point) *big.Int {
	inverse := new(big.Int).ModInverse(p.z, c.p)
	return c.mul(p.x, c.mul(inverse, inverse))
}
