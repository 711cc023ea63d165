# In the place of a library that the client for Ruby loads for operations, of which metrics need nothing.
module WebSocket
  module Client; end

  module Frame
    class Data < String; end
  end
end
