import TierCore
import Crypto
func warm() { _ = SHA256.hash(data: [UInt8]()) }
