package notify

// Encrypt is for the vector of RFC 8291 §5, whose key and salt are given.
var Encrypt = encrypt
