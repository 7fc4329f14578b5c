import { expect, test } from 'vitest'
import { isCron, isZone } from './schedule.ts'

test.each(['* * * * *', '0 6 * * mon-fri', '*/15 8-18/2 1,15 jan-mar 0', '59 23 31 12 7'])(
  '%s is a schedule',
  (cron) => {
    expect(isCron(cron)).toBe(true)
  },
)

test.each([
  '',
  '* * * *',
  '* * * * * *',
  '60 * * * *',
  '* 24 * * *',
  '* * 0 * *',
  '* * * 13 *',
  '* * * * 8',
  '*/0 * * * *',
  '5-1 * * * *',
  'mon * * * *',
  '@daily',
  '1,,2 * * * *',
])('"%s" is none', (cron) => {
  expect(isCron(cron)).toBe(false)
})

test('zones are those of the IANA database, by name', () => {
  expect(['Europe/London', 'UTC', 'Asia/Kolkata'].map(isZone)).toEqual([true, true, true])
  expect(['Europe/Londn', '+02:00', '', 'local'].map(isZone)).toEqual([false, false, false, false])
})
