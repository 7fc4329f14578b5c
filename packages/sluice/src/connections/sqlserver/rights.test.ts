import { expect, test } from 'vitest'
import { grantFor } from './rights.ts'

test.each([
  [
    "The EXECUTE permission was denied on the object 'usp_x', database 'erp', schema 'dbo'.",
    'USE erp; GRANT EXECUTE ON OBJECT::dbo.usp_x TO [CORP\\reader];',
  ],
  [
    "The SELECT permission was denied on the object 'a]b', database 'erp', schema 'my schema'.",
    'USE erp; GRANT SELECT ON OBJECT::[my schema].[a]]b] TO [CORP\\reader];',
  ],
  [
    "The SELECT permission was denied on the column 'salary' of the object 'staff', database 'erp', schema 'hr'.",
    'USE erp; GRANT SELECT ON OBJECT::hr.staff (salary) TO [CORP\\reader];',
  ],
  [
    'The server principal "CORP\\reader" is not able to access the database "other" under the current security context.',
    'USE other; CREATE USER [CORP\\reader] FOR LOGIN [CORP\\reader];',
  ],
  ['permission denied for table kept', 'GRANT SELECT ON kept TO [CORP\\reader];'],
  ['The user does not have permission to perform this action.', undefined],
])('%s', (text, grant) => {
  expect(grantFor({ number: 229, class: 14, text }, 'CORP\\reader')).toBe(grant)
})

test('a login without a name is left to be filled in', () => {
  const text = "The EXECUTE permission was denied on the object 'x', database 'erp', schema 'dbo'."
  expect(grantFor({ number: 229, class: 14, text }, '')).toContain('TO <user>;')
})
