import Crypto
import Glibc

/// What the file system says of a weight file: while this is unchanged, so, for this cache, is the file.
public struct FileStamp: Sendable, Hashable {
  public let device: UInt64
  public let inode: UInt64
  public let sizeBytes: Int
  public let modifiedNanoseconds: Int64

  public init(device: UInt64, inode: UInt64, sizeBytes: Int, modifiedNanoseconds: Int64) {
    self.device = device
    self.inode = inode
    self.sizeBytes = sizeBytes
    self.modifiedNanoseconds = modifiedNanoseconds
  }
}

/// Fingerprints of models seen before, so that a start need not read every weight. Only ever a shortcut: an entry that is
/// damaged, or a directory others can write to, is passed over, and what cannot be kept is computed again next time.
public struct FingerprintCache: Sendable {
  private let directory: String

  /// `$XDG_CACHE_HOME/tierd`, else `$HOME/.cache/tierd`; nil where the environment names neither by an absolute path.
  public init?(environment: [String: String]) {
    func absolute(_ name: String) -> String? { environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
    guard let base = absolute("XDG_CACHE_HOME") ?? absolute("HOME").map({ $0 + "/.cache" }) else { return nil }
    self.init(directory: base + "/tierd")
  }

  public init(directory: String) { self.directory = directory }

  /// The fingerprint of the model with this configuration in these files: remembered, or computed and remembered.
  public func fingerprint(
    configuration: String, files: [FileStamp], compute: () -> ModelFingerprint
  ) -> ModelFingerprint {
    let key = Self.key(configuration: configuration, files: files)
    if let known = read(key) { return known }
    let fingerprint = compute()
    // A file written to within the clock's grain of being read could change without its time changing.
    if Self.areSettled(files) { write(key, fingerprint) }
    return fingerprint
  }

  private static let settledNanoseconds: Int64 = 2_000_000_000

  private static func areSettled(_ files: [FileStamp]) -> Bool {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let latest = Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec) &- settledNanoseconds
    return files.allSatisfy { $0.modifiedNanoseconds < latest }
  }

  static func key(configuration: String, files: [FileStamp]) -> [UInt8] {
    var input = Array("tierd fingerprint cache v1\0".utf8)
    input.append(lengthPrefixed: configuration)
    for file in files {
      input.append(littleEndian: file.device)
      input.append(littleEndian: file.inode)
      input.append(littleEndian: UInt64(bitPattern: Int64(file.sizeBytes)))
      input.append(littleEndian: UInt64(bitPattern: file.modifiedNanoseconds))
    }
    return Array(SHA256.hash(data: input))
  }
}

extension FingerprintCache {
  /// An entry: the fingerprint, then SHA-256 over key and fingerprint.
  private static func entry(_ key: [UInt8], _ fingerprint: ModelFingerprint) -> [UInt8] {
    fingerprint.bytes + Array(SHA256.hash(data: key + fingerprint.bytes))
  }

  private func path(_ key: [UInt8]) -> String { directory + "/" + hexadecimal(key) + ".fingerprint" }

  /// Nil where there is no entry that can be trusted.
  private func read(_ key: [UInt8]) -> ModelFingerprint? {
    let descriptor = open(path(key), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard isPrivateDirectory, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_uid == geteuid(), status.st_mode & 0o077 == 0
    else { return nil }
    // One byte more than an entry has tells a longer file.
    var bytes = [UInt8](repeating: 0, count: 2 * ModelFingerprint.sizeBytes + 1)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    guard count == bytes.count - 1, let fingerprint = ModelFingerprint(bytes: bytes[..<ModelFingerprint.sizeBytes]),
      Self.entry(key, fingerprint).elementsEqual(bytes[..<count])
    else { return nil }
    return fingerprint
  }

  /// Complete or not at all: under a name of its own first, then renamed.
  private func write(_ key: [UInt8], _ fingerprint: ModelFingerprint) {
    makeDirectory()
    guard isPrivateDirectory else { return }
    let temporary = "\(path(key)).\(getpid()).\(UInt32.random(in: 0 ... .max))"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return }
    let entry = Self.entry(key, fingerprint)
    let isWritten = Glibc.write(descriptor, entry, entry.count) == entry.count
    let isClosed = close(descriptor) == 0
    guard isWritten, isClosed, rename(temporary, path(key)) == 0 else {
      unlink(temporary)
      return
    }
  }

  /// 0700, and its parents where they are not there.
  private func makeDirectory() {
    var path = directory.hasPrefix("/") ? "" : "."
    for part in directory.split(separator: "/") {
      path += "/" + part
      mkdir(path, 0o700)
    }
  }

  private var isPrivateDirectory: Bool {
    var status = stat()
    return lstat(directory, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && status.st_uid == geteuid()
      && status.st_mode & 0o077 == 0
  }
}
