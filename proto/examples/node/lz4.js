// KafkaJS brings no LZ4, which is how the outputs are compressed unless the worker is told otherwise.
const lz4 = require('lz4js');
const { CompressionCodecs, CompressionTypes } = require('kafkajs');

CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
});
