/**
 * The test at start (fault SR-06): known bytes go through the decoder, and the driver must have the places that the decoder needs of it. Nothing is
 * read from a server before both have passed.
 */
import { Readable } from 'node:stream'
import { sluiceError } from '../../base/errors.ts'
import type { Cell } from '../connection.ts'
import { TokenStream } from './tokens.ts'
import type { TypeContext } from './types.ts'

/** For each type: its announcement, the bytes of one value (both in hex, as MS-TDS 2.2.5 has them), and the text that they mean. */
export const known: readonly (readonly [type: string, info: string, value: string, text: string])[] = [
  ['tinyint', '2601', '01ff', '255'],
  ['smallint', '2602', '020080', '-32768'],
  ['int', '2604', '0400000080', '-2147483648'],
  ['bigint', '2608', '08ffffffffffffff7f', '9223372036854775807'],
  ['bit', '6801', '0101', 'true'],
  ['real', '6d04', '040000804b', '16777216'],
  ['float', '6d08', '089a9999999999b93f', '0.1'],
  ['decimal', '6a11260a', '1100d37aa10e4f9049c4133302f0f6b04909', '-1234567890123456789012345678.1234567891'],
  ['numeric', '6c111204', '11014ef330a64b9bb6010000000000000000', '12345678901234.5678'],
  ['money', '6e08', '080000008001000000', '-922337203685477.5807'],
  ['smallmoney', '6e04', '04ffffff7f', '214748.3647'],
  ['date', '28', '03000000', '0001-01-01'],
  ['time', '2907', '05ffbf692ac9', '23:59:59.9999999'],
  ['datetime', '6f08', '08462effffff818b01', '1753-01-01 23:59:59.997'],
  ['smalldatetime', '6f04', '04ffff9f05', '2079-06-06 23:59:00'],
  ['datetime2', '2a07', '08ffbf692ac9dab937', '9999-12-31 23:59:59.9999999'],
  ['datetimeoffset', '2b07', '0a0794b4d3ab7f460b4a01', '2024-02-29 01:59:59.1234567+05:30'],
  ['uniqueidentifier', '2410', '10ff19966f868b11d0b42d00c04fc964ff', '6f9619ff-8b86-d011-b42d-00c04fc964ff'],
  ['nvarchar', 'e728000904d00034', '0e007e016c007500650120003dd80edc', 'žluť 🐎'],
  ['nvarcharmax', 'e7ffff0904d00034', '020000000000000002000000610000000000', 'a'],
  ['varchar', 'a704000904d00034', '0100e9', 'é'],
  ['varbinary', 'a5ffff', '050000000000000005000000deadbeef0000000000', 'deadbeef00'],
  ['xml', 'f100', '0a000000000000000a000000fffe3c0061002f003e0000000000', '<a/>'],
  ['sql_variant', '62491f0000', '150000006a02260a0101000000000000000000000000000000', '0.0000000001'],
]

/** What a version of the driver is compared with. */
interface Versions {
  readonly found: string
  readonly expected: string
}

let passed: Promise<void> | undefined

/**
 * Runs the test, once in a process.
 *
 * @param connections the prototype of the driver's connections
 * @throws Connection.DriverChanged
 */
export function testDecoder(context: TypeContext, connections: object, versions: Versions): Promise<void> {
  passed ??= runSelfTest(context, connections, versions)
  return passed
}

/** The test itself; see {@link testDecoder}. */
export async function runSelfTest(
  context: TypeContext,
  connections: object,
  versions: Versions,
  values = known,
): Promise<void> {
  const changed = (why: string) => sluiceError('Connection.DriverChanged', { package: 'tedious', ...versions, why })
  if (!('createTokenStreamParser' in connections)) throw changed('its connections do not make a token parser')
  if (context.codePage(Buffer.from('0904d00034', 'hex')) !== 'CP1252')
    throw changed('its collations name other code pages')
  const cells = await decode(context, values, changed)
  for (const [i, [type, , , text]] of values.entries()) {
    if (cells[i]?.[0] !== text) throw changed(`${type} gave ${String(cells[i]?.[0])} where ${text} was sent`)
    if (cells[i]?.[1] !== null) throw changed(`${type} gave no NULL where NULL was sent`)
  }
}

/** A row of the known values, and a row of NULLs. */
async function decode(
  context: TypeContext,
  values: typeof known,
  changed: (why: string) => Error,
): Promise<readonly (readonly Cell[])[]> {
  const columns = values.map(([, info]) => `000000000900${info}00`).join('')
  const count = Buffer.from([values.length, 0]).toString('hex')
  const nulls = 'ff'.repeat(Math.ceil(values.length / 8))
  const row = values.map(([, , value]) => value).join('')
  const answer = Buffer.from(`81${count}${columns}d1${row}d2${nulls}fe${'00'.repeat(12)}`, 'hex')
  return await new Promise((resolve, reject) => {
    let cells: readonly (readonly Cell[])[] = []
    const stream = new TokenStream(
      // In two halves, so that a value goes on in the next packet.
      Readable.from([answer.subarray(0, answer.length >> 1), answer.subarray(answer.length >> 1)]),
      {
        columns: () => true,
        rows(batch) {
          cells = batch
        },
        word: () => {},
        done: () => {},
        returnCode: () => {},
        output: () => {},
        transaction: () => {},
        lastWord: () => {},
        failed: (error) => reject(changed(error instanceof Error ? error.message : String(error))),
      },
      context,
    )
    stream.once('end', () => resolve(cells))
  })
}
