# In the place of a library that the tests of the client for Ruby load: recordings of WebSockets, which metrics have none of.
module WebSocketVCR
  def self.configure
    yield Struct.new(:json_cassettes, :cassette_library_dir).new
  end

  def self.turn_off!; end
end
