import TierWire

/// libFuzzer's entry: both decoders on whatever it makes up. Built only where `TIERD_FUZZ` is set (Package.swift), with
/// `TIERD_FUZZ=1 swift build -c release --product frame-fuzzer --sanitize=fuzzer --sanitize=address --scratch-path
/// .build/fuzz`; run it with `SWIFT_BACKTRACE=enable=no`.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  let frame = UnsafeRawBufferPointer(start: bytes, count: size)
  do throws(FrameError) {
    let message = try ClientMessage(frame: frame)
    if case .hello = message { return 0 }
    precondition(try! message.frame().count <= 1 << 16, "an accepted message can be sent")
  } catch {}
  do throws(FrameError) {
    let message = try ServerMessage(frame: frame)
    precondition(try! message.frames().count == 1, "an accepted message can be sent")
  } catch {}
  return 0
}
