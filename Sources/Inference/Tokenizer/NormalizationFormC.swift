// The standard library normalises strings to compare them, and keeps the way to do it for itself and its friends.
// Anything else would bring Foundation in, or the Unicode tables a second time.
@_spi(_Unicode) import Swift

extension String {
  /// Unicode normalisation form C.
  var normalizedToFormC: String {
    var result = ""
    for scalar in self._nfc { result.unicodeScalars.append(scalar) }
    return result
  }
}
