import { expect, test } from 'vitest'
import { sluiceError } from '../../base/errors.ts'
import { redactor } from '../definition/secrets.ts'
import { maskedError } from './masked-connection.ts'

test.each([
  ['hunter2!', '*** is wrong', 16],
  ['16', 'hunter2! is wrong', '***'],
  ['rows', 'hunter2! is wrong', 16],
])('SEC-3: whatever the password is (%s), the error is the one that was raised', (password, why, severity) => {
  const said = { procedure: 'dbo.usp_a', code: '50000', why: 'hunter2! is wrong', rows: 0, more: 0 }
  const error = sluiceError('Connection.CallFailed', { ...said, severity: 16 })
  const masked = maskedError(error, redactor([password]))
  expect(masked).toMatchObject({ name: error.name, code: error.code, params: { ...said, why, severity } })
  if (password !== 'rows') expect(String(masked)).not.toContain(password)
})
