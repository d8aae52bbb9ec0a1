/// The version of the daemon and of the tools that come with it.
public enum ProjectVersion {
  public static let text = "0.1.0"
}
