/** Random numbers, names and texts that are the same for the same seed. */

/** What can be drawn: of one seed, and of the place in a sequence (mulberry32). */
export function draws(seed, step = 0) {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(step + 1, 0x85ebca6b)) >>> 0
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const whole = (below) => Math.floor(random() * below)
  const between = (from, to) => from + whole(to - from + 1)
  const pick = (list) => list[whole(list.length)]
  const chance = (share) => random() < share
  /** A text of about so many characters. */
  const text = (characters) => {
    let written = ''
    while (written.length < characters) {
      const sentence = Array.from({ length: between(5, 14) }, () => pick(words)).join(' ')
      written += `${sentence[0].toUpperCase()}${sentence.slice(1)}, no. ${whole(1e9).toString(36)}. `
    }
    return written.trimEnd()
  }
  /** A price, as exact text. */
  const price = (from, to) => (between(from * 100, to * 100) / 100).toFixed(2)
  const person = () => `${pick(givenNames)} ${pick(familyNames)}`
  return { random, whole, between, pick, chance, text, price, person }
}

const givenNames = ['Ada', 'Björn', 'Chloé', 'Deniz', 'Emre', 'Fatma', 'Grace', 'Hugo', 'Ines', 'Jonas', 'Łucja', 'Zoë']
const familyNames = ['Aydın', 'Berg', 'Costa', 'Dubois', 'Kowalska', "O'Neill", 'Öztürk', 'Schmidt', 'Smith', 'Yılmaz']
const words =
  'a and as by comes every for from given glass hand has in is it kept kiln linen made more of old on one oak paper said small soft stone that the there this to walnut warm was weaver which winter with wool work “fine” – naïve\tcafé'.split(
    ' ',
  )

export const cities = {
  DE: ['Berlin', 'Köln', 'München'],
  FR: ['Lyon', 'Nîmes', 'Paris'],
  GB: ['Leeds', 'London', 'Oban'],
  PL: ['Gdańsk', 'Kraków', 'Łódź'],
  TR: ['Ankara', 'İstanbul', 'İzmir'],
}
export const countries = Object.keys(cities)
export const categories = {
  LAMP: 'Lighting',
  MUG: 'Kitchen',
  RUG: 'Textiles',
  TRAY: 'Kitchen',
  VASE: 'Decoration',
  TOY: 'Children',
}
export const kinds = Object.keys(categories)
export const tiers = ['bronze', 'silver', 'gold']
export const methods = ['card', 'invoice', 'transfer']
export const reasons = ['broken', 'late', 'not as described', 'changed my mind']

/** How readily what a seller sold comes back: most are careful, some are not, a few should not be there. */
export function refundShare(sellerId) {
  const place = (sellerId * 7) % 20
  return place < 12 ? 0.01 + place / 400 : place < 17 ? 0.07 + (place - 12) / 100 : 0.2 + (place - 17) / 20
}
