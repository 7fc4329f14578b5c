/** What strict casts must do, written a second time without DuckDB: by digits, by the calendar's rules, and by Intl's zones. */

/** A value's canonical text; undefined where the text must be refused. */
export type Reading = (text: string) => string | undefined

/** Integers of so many bits. */
export const integer =
  (bits: number): Reading =>
  (text) => {
    if (!/^[+-]?[0-9]+$/.test(text)) return undefined
    const value = BigInt(text.replace(/^\+/, ''))
    return BigInt.asIntN(bits, value) === value ? value.toString() : undefined
  }

/** A number as sign, digits and power of ten, without zeros on either side. */
function exact(text: string): string | undefined {
  const parts = /^([+-]?)([0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(text)
  if (parts === null || (parts[2] === '' && parts[3] === undefined)) return undefined
  const fraction = parts[3] ?? ''
  const digits = `${parts[2]}${fraction}`.replace(/^0+/, '')
  const bare = digits.replace(/0+$/, '')
  if (bare === '') return '0'
  const power = BigInt(parts[4] ?? 0) - BigInt(fraction.length) + BigInt(digits.length - bare.length)
  return `${parts[1] === '-' ? '-' : ''}${bare}e${power}`
}

/** Decimals, as the exact number. */
export const decimal =
  (p: number, s: number): Reading =>
  (text) => {
    const number = /[eE]/.test(text) ? undefined : exact(text)
    if (number === undefined || number === '0') return number
    const [digits = '', power = '0'] = number.replace(/^-/, '').split('e')
    const whole = digits.length + Number(power)
    return whole <= p - s && -Number(power) <= s ? number : undefined
  }

/** A value rounded to so many digits, ties to even, as C rounds; JavaScript's own forms round ties up. */
function rounded(value: number, digits: number): string {
  const up = value.toExponential(digits - 1)
  const long = /^(-?)(\d)\.(\d+)(e.*)$/.exec(value.toExponential(60))
  if (long === null) return up
  const all = `${long[2]}${long[3]}`
  const kept = all.slice(0, digits)
  if (!/^50*$/.test(all.slice(digits)) || Number(kept.at(-1)) % 2 === 1) return up
  return `${long[1]}${kept[0]}.${kept.slice(1)}${long[4]}`
}

/** Whether a number's text is its value's shortest, or the value rounded to one of so many digits; then the shortest. */
function named(text: string, value: number, shortest: string, digits: readonly number[]): string | undefined {
  const number = exact(text)
  if (number === undefined || !Number.isFinite(value)) return undefined
  const names = [exact(shortest), ...digits.map((count) => exact(rounded(value, count)))]
  return names.includes(number) ? exact(shortest) : undefined
}

/** Doubles: the text must be their shortest, or they rounded to 16 or 17 digits. */
export const double: Reading = (text) => named(text, Number(text), String(Number(text)), [16, 17])

/** The shortest decimal of a 32-bit value. */
function shortestReal(value: number): string {
  for (let digits = 0; digits < 8; digits++) {
    const shorter = value.toExponential(digits)
    if (Math.fround(Number(shorter)) === value) return shorter
  }
  return value.toExponential(8)
}

/** 32 bits: the shortest, or rounded to 7, 8 or 9 digits. */
export const real: Reading = (text) => {
  const value = Math.fround(Number(text))
  return named(text, value, shortestReal(value), [7, 8, 9])
}

/** What DuckDB shows of a 32-bit value, which is not always the shortest. */
export const shownReal = (text: string): string | undefined => exact(shortestReal(Math.fround(Number(text))))

/** What DuckDB shows of a number, as the exact number. */
export const shownNumber = (text: string): string | undefined => exact(text)

function isDate(year: number, month: number, day: number): boolean {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
  return year >= 1 && year <= 9999 && days !== undefined && day >= 1 && day <= days
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0')

/** Dates by a regular expression with named groups. */
export const date =
  (shape: RegExp): Reading =>
  (text) => {
    const { y, m, d } = shape.exec(text)?.groups ?? {}
    if (y === undefined || !isDate(Number(y), Number(m), Number(d))) return undefined
    return `${pad(Number(y), 4)}-${pad(Number(m), 2)}-${pad(Number(d), 2)}`
  }

/** Times of day by named groups: `h`, `i`, and perhaps `s`, `f`. */
export const time =
  (shape: RegExp): Reading =>
  (text) => {
    const { h, i, s = '0', f = '' } = shape.exec(text)?.groups ?? {}
    if (h === undefined || Number(h) > 23 || Number(i) > 59 || Number(s) > 59 || /[1-9]/.test(f.slice(6)))
      return undefined
    const fraction = f.slice(0, 6).replace(/0+$/, '')
    return `${pad(Number(h), 2)}:${pad(Number(i), 2)}:${pad(Number(s), 2)}${fraction === '' ? '' : `.${fraction}`}`
  }

/** A date and a time in one text. */
export const timestamp =
  (shape: RegExp): Reading =>
  (text) => {
    const [day, clock] = [date(shape)(text), time(shape)(text)]
    return day === undefined || clock === undefined ? undefined : `${day} ${clock}`
  }

const formatters = new Map<string, Intl.DateTimeFormat>()

/** The local time of an instant in a zone, as if it were UTC, in milliseconds. */
export function localTime(zone: string, instant: number): number {
  let formatter = formatters.get(zone)
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formatters.set(zone, formatter)
  }
  const part = Object.fromEntries(formatter.formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
  return Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'], part['second'])
}

/** A local time of a zone as an instant, by looking for every instant that has it. */
export const zoned =
  (zone: string, overlap: 'reject' | 'earlier' | 'later'): Reading =>
  (text) => {
    const local = timestamp(/^(?<y>\d{4})-(?<m>\d\d)-(?<d>\d\d)T(?<h>\d\d):(?<i>\d\d):(?<s>\d\d)$/)(text)
    if (local === undefined) return undefined
    const wanted = Date.parse(`${local.replace(' ', 'T')}Z`)
    const found = new Set<number>()
    for (let hours = -30; hours <= 30; hours += 3) {
      const near = wanted + hours * 3_600_000
      const instant = wanted - (localTime(zone, near) - near)
      if (localTime(zone, instant) === wanted) found.add(instant)
    }
    const instants = [...found].sort((a, b) => a - b)
    const instant = overlap === 'earlier' ? instants[0] : instants.at(-1)
    if (instant === undefined || (overlap === 'reject' && instants.length > 1)) return undefined
    return new Date(instant).toISOString().replace('T', ' ').replace('.000Z', '+00')
  }

/** JSON by JavaScript's parser; the text itself is kept. */
export const json: Reading = (text) => {
  try {
    JSON.parse(text)
    return text
  } catch {
    return undefined
  }
}

/** Bytes, as hexadecimal, of a text that the encoding would write in just that way. */
export const binary =
  (encoding: 'hex' | 'base64'): Reading =>
  (text) => {
    const bytes = Buffer.from(text, encoding)
    const again = bytes.toString(encoding)
    return (encoding === 'hex' ? text.toLowerCase() : text) === again ? bytes.toString('hex').toUpperCase() : undefined
  }
