-- The machine object-lifetime, written by hand for rumur.
--
-- The constants are those of bounds S; a measurement writes others in their place. Devices from
-- Second on are on the second iommufd.

const
  Fds: 1;
  Slots: 5;
  Devices: 3;
  Second: 4;

type
  Fd: 0..Fds - 1;
  Slot: 1..Fds * Slots;
  Device: 1..Devices;
  Maybe: 0..Fds * Slots;
  Kind: enum { Free, Ioas, S2, Nested };

var
  slots: array [Slot] of record
    kind: Kind;
    parent: Maybe;
    refs: 0..Slots + Devices - 1;
  end;
  hwpt: array [Device] of Maybe;

function fd_of(device: Device): Fd;
begin
  return device >= Second ? 1 : 0;
end;

function fd_with(slot: Slot): Fd;
begin
  return (slot - 1) / Slots;
end;

-- The lowest free slot of an iommufd, 0 if there is none.
function free_slot(fd: Fd): Maybe;
begin
  for slot := fd * Slots + 1 to fd * Slots + Slots do
    if slots[slot].kind = Free then return slot; endif;
  endfor;
  return 0;
end;

startstate "no object"
begin
  for slot: Slot do
    slots[slot].kind := Free;
    slots[slot].parent := 0;
    slots[slot].refs := 0;
  endfor;
  for device: Device do hwpt[device] := 0; endfor;
end;

ruleset fd: Fd do
  rule "alloc ioas" free_slot(fd) != 0 ==>
  begin
    slots[free_slot(fd)].kind := Ioas;
  end;
endruleset;

ruleset ioas: Slot do
  rule "alloc s2" slots[ioas].kind = Ioas & free_slot(fd_with(ioas)) != 0 ==>
  var made: Slot;
  begin
    made := free_slot(fd_with(ioas));
    slots[made].kind := S2;
    slots[made].parent := ioas;
    slots[ioas].refs := slots[ioas].refs + 1;
  end;
endruleset;

ruleset s2: Slot do
  rule "alloc nested" slots[s2].kind = S2 & free_slot(fd_with(s2)) != 0 ==>
  var made: Slot;
  begin
    made := free_slot(fd_with(s2));
    slots[made].kind := Nested;
    slots[made].parent := s2;
    slots[s2].refs := slots[s2].refs + 1;
  end;
endruleset;

ruleset device: Device; slot: Slot do
  rule "attach"
    hwpt[device] = 0 & fd_with(slot) = fd_of(device) &
    (slots[slot].kind = S2 | slots[slot].kind = Nested) ==>
  begin
    hwpt[device] := slot;
    slots[slot].refs := slots[slot].refs + 1;
  end;
endruleset;

ruleset device: Device do
  rule "detach" hwpt[device] != 0 ==>
  begin
    slots[hwpt[device]].refs := slots[hwpt[device]].refs - 1;
    hwpt[device] := 0;
  end;
endruleset;

ruleset slot: Slot do
  rule "destroy" slots[slot].kind != Free & slots[slot].refs = 0 ==>
  begin
    if slots[slot].parent != 0 then
      slots[slots[slot].parent].refs := slots[slots[slot].parent].refs - 1;
    endif;
    slots[slot].kind := Free;
    slots[slot].parent := 0;
  end;
endruleset;

function referrers(slot: Slot): 0..Fds * Slots + Devices;
var number: 0..Fds * Slots + Devices;
begin
  number := 0;
  for other: Slot do
    if slots[other].parent = slot then number := number + 1; endif;
  endfor;
  for device: Device do
    if hwpt[device] = slot then number := number + 1; endif;
  endfor;
  return number;
end;

invariant "each stored count is the number of referrers"
  forall slot: Slot do slots[slot].refs = referrers(slot) endforall;
