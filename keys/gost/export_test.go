package gost

import "math/big"

// OfRFC returns the key of the example of RFC 7091 §7.1, whose curve certificates may not use.
func OfRFC(x, y string) *PublicKey {
	c := newCurve(curveText{
		size: 32, cofactor: 1,
		p: "8000000000000000000000000000000000000000000000000000000000000431",
		q: "8000000000000000000000000000000150fe8a1892976154c59cfc193accf5b3",
		a: "7",
		b: "5fbff498aa938ce739b8e022fbafef40563f6e6a3472fc2a514c0ce9dae23b7e",
		x: "2",
		y: "8e2a8a0e65147d4bd6316030e16d19c85c97f0a9ca267122b96abbcea7e8fc8",
	})
	return &PublicKey{curve: c, point: affine(number(x), number(y))}
}

// EachCurve calls visit with the numbers of every curve.
func EachCurve(visit func(oid string, p, q *big.Int, baseOnCurve, orderIsQ bool)) {
	for oid, c := range curves {
		base := affine(c.x, c.y)
		visit(oid, c.p, c.q, c.has(c.x, c.y), c.combine(c.q, base, new(big.Int), base).isInfinity())
	}
}
