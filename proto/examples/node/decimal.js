// Avro's decimal as text ("-1.5"), which loses nothing: a number of JavaScript is a double.
const { types } = require('avsc');

class Decimal extends types.LogicalType {
  constructor(schema, options) {
    super(schema, options);
    this.scale = schema.scale;
  }

  _fromValue(bytes) {
    const unscaled = BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`));
    const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(this.scale + 1, '0');
    const fraction = digits.slice(-this.scale).replace(/0+$/, '');
    return (unscaled < 0n ? '-' : '') + digits.slice(0, -this.scale) + (fraction && `.${fraction}`);
  }

  _toValue(text) {
    const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
    if (fraction.length > this.scale) throw new Error(`more than ${this.scale} fractional digits: ${text}`);
    const unscaled = BigInt(sign + whole + fraction.padEnd(this.scale, '0'));
    return Buffer.from(BigInt.asUintN(128, unscaled).toString(16).padStart(32, '0'), 'hex');
  }
}

module.exports = { Decimal };
