"""The master data: cities with their wards and staff, complaint types, channels, what people write."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from feed.draws import Weighted


class Channel(StrEnum):
    """How a complaint came in."""

    MOBILE = "MOBILE"
    WEB = "WEB"
    WHATSAPP = "WHATSAPP"
    PHONE = "IVR"
    COUNTER = "COUNTER"


DESK_CHANNELS = frozenset({Channel.PHONE, Channel.COUNTER})
"""Channels where the service desk writes the complaint down for the citizen."""

CHANNELS = Weighted(
    (
        (Channel.MOBILE, 41.0),
        (Channel.WHATSAPP, 24.0),
        (Channel.WEB, 19.0),
        (Channel.PHONE, 10.0),
        (Channel.COUNTER, 6.0),
    )
)


@dataclass(frozen=True)
class ComplaintType:
    """A kind of complaint with the department that answers for it and the hours it has.

    `urgent` is the share of its complaints that come with a high priority.
    """

    code: str
    department: str
    sla_hours: int
    urgent: float


COMPLAINT_TYPES = Weighted(
    (
        (ComplaintType("GarbageNeedsTobeCleared", "DEPT_SANITATION", 24, 0.10), 26.0),
        (ComplaintType("StreetLightNotWorking", "DEPT_LIGHTING", 72, 0.12), 19.0),
        (ComplaintType("NoWaterSupply", "DEPT_WATER", 24, 0.55), 12.0),
        (ComplaintType("BlockOrOverflowingSewage", "DEPT_WATER", 48, 0.40), 9.0),
        (ComplaintType("DamagedRoad", "DEPT_ROADS", 168, 0.08), 8.0),
        (ComplaintType("NonSweepingOfRoad", "DEPT_SANITATION", 36, 0.04), 6.0),
        (ComplaintType("DirtyWaterSupply", "DEPT_WATER", 24, 0.60), 4.5),
        (ComplaintType("StrayAnimals", "DEPT_HEALTH", 96, 0.15), 4.0),
        (ComplaintType("DamagedGarbageBin", "DEPT_SANITATION", 120, 0.02), 3.0),
        (ComplaintType("IllegalParking", "DEPT_ENFORCEMENT", 4, 0.20), 2.5),
        (ComplaintType("BurningOfGarbage", "DEPT_SANITATION", 12, 0.50), 2.0),
        (ComplaintType("IncorrectBilling", "DEPT_FINANCE", 48, 0.03), 1.8),
        (ComplaintType("DeadAnimals", "DEPT_HEALTH", 12, 0.45), 1.2),
        (ComplaintType("NoStreetlight", "DEPT_LIGHTING", 336, 0.05), 0.7),
        (ComplaintType("IllegalCuttingOfTrees", "DEPT_PARKS", 336, 0.10), 0.3),
    )
)


@dataclass(frozen=True)
class Texts:
    """What the people of a region write. The texts hold what breaks careless readers."""

    complaints: tuple[str, ...]
    answers: tuple[str, ...]
    remarks: tuple[str, ...]


_PUNJAB = Texts(
    complaints=(
        "ਗਲੀ ਵਿੱਚ ਕੂੜਾ ਤਿੰਨ ਦਿਨਾਂ ਤੋਂ ਪਿਆ ਹੈ",
        'सड़क की बत्ती खराब है, "रात में" बहुत अँधेरा रहता है',
        "No water since morning.\nThird floor, house 14/2;\r\nplease call before coming",
        'Neighbour said "not our job", so I write again',
        "Sewage overflowing near gurdwara 😷, smell unbearable",
        "NULL",
        "pole no. C:\\poles\\new\\18, light on at day & off at night",
        "ਪਾਣੀ ਗੰਦਾ ਆ ਰਿਹਾ ਹੈ, ਬੱਚੇ ਬਿਮਾਰ ਹਨ",
    ),
    answers=(
        "Done, photo attached",
        "ਕੰਮ ਹੋ ਗਿਆ",
        "काम पूरा हुआ;\nफोटो संलग्न",
        'Repaired "temporarily", spare part ordered',
    ),
    remarks=("Any news?", "ਅਜੇ ਤੱਕ ਕੋਈ ਨਹੀਂ ਆਇਆ", "कृपया जल्दी करें", "Still waiting,\nsecond reminder"),
)
_KENYA = Texts(
    complaints=(
        "Takataka hazijakusanywa wiki nzima",
        'Taa za barabarani hazifanyi kazi, "giza totoro"',
        "Hakuna maji tangu jana.\nTafadhali piga simu kwanza",
        "Burst pipe by the café, corner of Moi Ave. & Haile Selassie",
        "Pothole 1.5m wide, 40cm deep; two boda-bodas fell in",
        "Gari limeegeshwa vibaya mbele ya lango langu 🚗",
        'Bill says "KSh 48,300", my meter says otherwise',
        "=SUM(A1:A9) was printed on my bill",
    ),
    answers=(
        "Imekamilika",
        "Cleared at 6am, see photo",
        "Timu imetumwa;\nkazi imekwisha",
        'Contractor says "fixed"',
    ),
    remarks=("Bado nasubiri", "Any update?", "Mara ya tatu nauliza,\ntafadhali", "Nobody came"),
)
_ETHIOPIA = Texts(
    complaints=(
        "ውሃ ከትናንት ጀምሮ የለም",
        'የመንገድ መብራት አይሰራም፣ "በጣም ጨለማ" ነው',
        "Garbage truck did not come.\nBlock 7, behind the school",
        "የቆሻሻ ፍሳሽ መንገድ ላይ ወጥቷል",
    ),
    answers=("ተጠናቋል", "Done", "ተስተካክሏል;\nፎቶ ተያይዟል"),
    remarks=("እስካሁን ማንም አልመጣም", "Any update?"),
)


@dataclass(frozen=True)
class Ward:
    """A ward of one city, with the localities that lie in it."""

    ward_id: str
    locality_ids: tuple[str, ...]


@dataclass(frozen=True)
class Tenant:
    """A city. Its zone has no daylight saving, so the offset is all there is to know.

    `size` is its share of the complaints, against the others'. Identifiers of complaints start with the
    state's code and count per city: two cities of a state have complaints of the same identifier.
    """

    tenant_id: str
    zone: str
    utc_offset_minutes: int
    size: float
    ward_count: int
    texts: Texts

    @cached_property
    def code(self) -> str:
        """The tenant's name as part of identifiers."""
        return self.tenant_id.upper().replace(".", "_")

    @cached_property
    def complaint_prefix(self) -> str:
        """What the identifiers of its complaints start with: the state's code."""
        return f"{self.tenant_id.split('.', 1)[0].upper()}-PGR-"

    @cached_property
    def wards(self) -> Weighted[Ward]:
        """Its wards; the first ones are the centre and complain most."""
        return Weighted(
            (
                Ward(
                    ward_id=f"{self.code}_W{number:02d}",
                    locality_ids=tuple(
                        f"{self.code}_W{number:02d}_L{local}" for local in range(1, 4 + number % 4)
                    ),
                ),
                1.0 + 8.0 / number,
            )
            for number in range(1, self.ward_count + 1)
        )

    def staff(self, role: str, count: int) -> tuple[str, ...]:
        """Return the user ids of the employees who hold the role."""
        return tuple(f"EMP_{self.code}_{role}_{number:03d}" for number in range(1, count + 1))


_INDIA = ("Asia/Kolkata", 330)
_EAST_AFRICA = ("Africa/Nairobi", 180)

_TENANTS = (
    Tenant("pb.amritsar", *_INDIA, size=1.0, ward_count=24, texts=_PUNJAB),
    Tenant("ke.nairobi", *_EAST_AFRICA, size=1.4, ward_count=34, texts=_KENYA),
    Tenant("pb.jalandhar", *_INDIA, size=0.7, ward_count=16, texts=_PUNJAB),
    # A state whose code begins like another one's, and a third level: `ke` is not `ken`.
    Tenant("ken.bomet.town", *_EAST_AFRICA, size=0.15, ward_count=5, texts=_KENYA),
    Tenant("pb.ludhiana", *_INDIA, size=1.2, ward_count=28, texts=_PUNJAB),
    Tenant("et.addisababa", "Africa/Addis_Ababa", 180, size=1.1, ward_count=22, texts=_ETHIOPIA),
    Tenant("ke.mombasa", *_EAST_AFRICA, size=0.6, ward_count=12, texts=_KENYA),
    Tenant("pb.patiala", *_INDIA, size=0.4, ward_count=10, texts=_PUNJAB),
    Tenant("ke.kisumu", *_EAST_AFRICA, size=0.35, ward_count=9, texts=_KENYA),
    Tenant("pb.nawanshahr", *_INDIA, size=0.06, ward_count=3, texts=_PUNJAB),
)

TENANT_COUNT = len(_TENANTS)


def tenants(count: int) -> tuple[Tenant, ...]:
    """Return the first `count` cities; from two on they lie in two time zones."""
    return _TENANTS[:count]
