import Testing

/// Tests over real sockets. One after another: some count the descriptors of the process.
@Suite(.serialized, .timeLimit(.minutes(1))) enum SocketTests {}
